"""Refuse to build a package: a wheel would lack the migrations, and the code's data is in its folder."""

import sys

from setuptools import setup

if {"sdist", "bdist_wheel"} & {*sys.argv}:
    sys.exit(
        "This project is no package: its code runs from this folder, so deploy the folder. `pip install -e .` installs"
        " what it needs."
    )
setup()
