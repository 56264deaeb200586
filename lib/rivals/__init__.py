"""What people would use instead, measured in the same rounds where it is installed. No backends of other pages: `every` has them, and
lib.runners.RUNNERS does not.

This module imports nothing: the process that lib/rivals/torch_worker.py runs in has NumPy and PyTorch alone.
"""
