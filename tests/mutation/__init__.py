"""How many planted mistakes the tests find: a fixed sample of mutants, each run by itself."""
