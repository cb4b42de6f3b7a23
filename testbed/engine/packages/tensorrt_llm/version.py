"""The release whose behaviour is emulated, and that it is emulated."""

__version__ = "1.3.0rc22+emulated"
