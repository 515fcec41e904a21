"""Price alerts: ticks in, firings out.

Most modules are pure: no AWS, no clock, no environment. ``symbol_index``, ``store`` and
``notifier`` speak to AWS; ``processing`` holds the commit protocol that joins them; ``config``
reads the function's environment.
"""
