"""Measure how long cookiecutter takes from its start to the finished project, against a template of one file.

The time is that of the whole process, after a first run. `make bench` prints a Markdown table.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUNS = 15


def generate(template: Path, output: Path) -> float:
    """Return the seconds for one project in a new folder of `output`."""
    command = [str(Path(sys.executable).parent / "cookiecutter"), str(template), "--no-input"]
    folder = Path(tempfile.mkdtemp(dir=output))
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def one_file(folder: Path) -> Path:
    """Make the smallest template that cookiecutter takes."""
    project = folder / "{{cookiecutter.project_slug}}"
    project.mkdir(parents=True)
    (project / "README.md").write_text("{{cookiecutter.project_slug}}\n")
    (folder / "cookiecutter.json").write_text('{"project_slug": "my_flask_app"}')
    return folder


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        ours = Path(scratch, "template")
        subprocess.run(["git", "clone", "--quiet", ROOT, ours], check=True)
        templates = {"this template": ours, "a template of one file": one_file(Path(scratch, "one"))}
        for template in templates.values():
            generate(template, Path(scratch))  # warms the caches
        times: dict[str, list[float]] = {name: [] for name in templates}
        for _ in range(RUNS):
            for name, template in templates.items():
                times[name].append(generate(template, Path(scratch)))
    print(f"| seconds, of {RUNS} runs | fastest | median | slowest |")
    print("| --- | ---: | ---: | ---: |")
    for name, each in times.items():
        print(f"| {name} | {min(each):.2f} | {statistics.median(each):.2f} | {max(each):.2f} |")


if __name__ == "__main__":
    main()
