"""Price alerts: ticks in, firings out.

``ticks``, ``rules`` and ``engine`` are pure: no AWS, no clock, no environment.
``store`` and ``notifier`` speak to AWS; ``processing`` holds the commit protocol
that joins them; ``config`` reads the function's environment.
"""
