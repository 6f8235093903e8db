"""What pyproject.toml cannot say: `configs/` is installed as `jaxrestore.configs`."""

from setuptools import find_packages, setup

configs = ["jaxrestore.configs"]
configs += [f"{configs[0]}.{name}" for name in find_packages("configs")]
setup(
    packages=find_packages(include=["jaxrestore*"]) + configs,
    package_dir={configs[0]: "configs"},
)
