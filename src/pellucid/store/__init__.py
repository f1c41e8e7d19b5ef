"""Reading and writing records: one `.safetensors` file, versioned, nothing in it that could run."""

from pellucid.store.file import load, save

__all__ = ["load", "save"]
