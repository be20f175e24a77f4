"""What must hold whatever is injected, one module each. To add one: write a module, and name it in ``catalogue``."""
