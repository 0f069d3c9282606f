"""The tracer: what it says of programs, against autograd and against the static half."""
