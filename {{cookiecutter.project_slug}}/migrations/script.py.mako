<%!
    def as_docstring(text):
        return text.strip().replace("\\", "\\\\").replace('"', '\\"')

    def sections(lines):
        """Return the imports as ruff sorts them: those of libraries, then the application's own."""
        names = {}
        for line in lines:
            module, _, imported = line.removeprefix("from ").partition(" import ")
            names.setdefault(module if imported else line, set()).update(filter(None, imported.split(", ")))
        found = [
            [
                f"from {module} import {', '.join(sorted(names[module]))}" if names[module] else module
                for module in sorted(names, key=lambda module: (bool(names[module]), module))
                if (module.removeprefix("import ").split(".")[0] == "app") is own
            ]
            for own in (False, True)
        ]
        return "\n\n".join("\n".join(section) for section in found if section)
%>\
<%
    bodies = [value for name, value in context.kwargs.items() if name.startswith(("upgrades", "downgrades"))]
    used = "\n".join(filter(None, bodies))
    lines = (imports or "").splitlines()
    # A revision that is to be written by hand gets both.
    by_hand = "op." not in used and not isinstance(down_revision, (tuple, list))
    lines += ["import sqlalchemy as sa"] * ("sa." in used or by_hand) + ["from alembic import op"] * ("op." in used or by_hand)
%>\
"""${message | n, as_docstring}

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}
Create Date: ${create_date}
"""

${sections(lines)}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
% for key in sorted(context.keys()):
% if key.startswith("upgrades_") and "op." in context[key]:


def upgrade_${key.removeprefix("upgrades_")}() -> None:
    ${context[key]}


def downgrade_${key.removeprefix("upgrades_")}() -> None:
    ${context["down" + key.removeprefix("up")]}
% endif
% endfor
