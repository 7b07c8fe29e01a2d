"""Take pictures of the log's pages and others, wide and narrow, light and dark: python screenshots.py PROJECT BIN
OUTPUT
"""

import shutil
import sys
from pathlib import Path

from browsing import addresses, chromium, hardships, looks, serve_shop, signed_in
from running import serve


def main(project: Path, bin_folder: Path, output: Path) -> None:
    output.mkdir(parents=True, exist_ok=True)
    empty = shutil.copytree(project, project.with_name("empty"))
    with serve(bin_folder / "flask", "run", cwd=empty) as site, chromium() as browser:
        state = signed_in(browser, site)
        for name, address in hardships(empty):
            for look, context in looks(browser, state):
                page = context.new_page()
                page.goto(site.url + address)
                page.screenshot(path=output / f"{name}-{look}.png")
    with serve_shop(project, bin_folder) as site, chromium() as browser:
        for look, context in looks(browser, signed_in(browser, site)):
            page = context.new_page()
            for name, address in addresses(context, site).items():
                page.goto(site.url + address)
                page.screenshot(path=output / f"{name}-{look}.png")


if __name__ == "__main__":
    main(*(Path(argument).resolve() for argument in sys.argv[1:4]))
