"""The version of the package, in one place: the build, the handshake and `aioproducer.__version__` read it."""

__version__ = "0.1.0"
