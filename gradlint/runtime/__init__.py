"""The runtime half: runs the user's program and writes down what autograd really did, as a tape like the static half's.

`record` starts and ends a recording, `mode` sees torch's functions, `patches` what the mode cannot see, `nodes` keeps the
graph without keeping a tensor alive, `demands` watches the places that ask for a gradient, `excursion` follows data through
NumPy and plain Python, `writing` turns all of it into a `Tape`. `confirm` compares findings with a run, `reach` asks autograd's
own graph, `launch` runs a script in a process of its own. Knows nothing of the static half and nothing of the engine.
"""
