"""Price alerts: ticks in, firings out.

``domain`` is pure: no AWS, no clock, no environment. ``adapters`` speak to AWS. ``processing`` is
the commit protocol that joins them; ``config`` reads the function's environment.
"""
