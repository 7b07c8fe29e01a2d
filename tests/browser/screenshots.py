"""Every page of the log, wide and narrow, light and dark: python screenshots.py PROJECT BIN OUTPUT"""

import sys
from pathlib import Path

from browsing import SCHEMES, WIDTHS, addresses, chromium, log_in, serve_shop


def main(project: Path, bin_folder: Path, output: Path) -> None:
    output.mkdir(parents=True, exist_ok=True)
    with serve_shop(project, bin_folder) as site, chromium() as browser:
        for scheme in SCHEMES:
            for width in WIDTHS:
                context = browser.new_context(
                    viewport={"width": width, "height": 900}, color_scheme="dark" if scheme == "dark" else "light"
                )
                log_in(context, site)
                page = context.new_page()
                for name, address in addresses(context, site).items():
                    page.goto(site.url + address)
                    page.screenshot(path=output / f"{name}-{width}-{scheme}.png")
                context.close()


if __name__ == "__main__":
    main(*(Path(argument).resolve() for argument in sys.argv[1:4]))
