"""How long cookiecutter takes from its start to the finished project: the whole process, warm."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUNS = 15


def generate(template: Path, output: Path) -> float:
    """Seconds for one project in a new folder of `output`."""
    command = [str(Path(sys.executable).parent / "cookiecutter"), str(template), "--no-input"]
    folder = Path(tempfile.mkdtemp(dir=output))
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        template = Path(scratch, "template")
        subprocess.run(["git", "clone", "--quiet", ROOT, template], check=True)
        generate(template, Path(scratch))  # warms the caches
        times = sorted(generate(template, Path(scratch)) for _ in range(RUNS))
    print("| generate a project | seconds |")
    print("| --- | --- |")
    for name, value in (("median", statistics.median(times)), ("slowest", times[-1])):
        print(f"| {name} of {RUNS} | {value:.2f} |")


if __name__ == "__main__":
    main()
