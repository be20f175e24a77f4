"""Random faults against real parts, and what must hold all the same: ``python -m chaos --help`` with tests on the path.

What is injected when is drawn by ``schedule``, which is pure. Each fault is a module of ``faults``, each thing that
must hold one of ``invariants``; ``world`` has the parts, and ``runner`` goes through the steps.
"""
