"""Generated programs: what the static half says of each demand against what autograd does (`python -m tests.differential`)."""
