"""Every kind of fault, one module each. To add one: write a module with a ``Fault``, and name it in ``catalogue``."""
