"""
What pop3svc costs, beside other servers, on the machine at hand.

C{make bench} runs the short form, C{make bench-long} the whole; C{python -m
benchmarks.run --help} tells the rest. It needs Linux, root, a C compiler with
OpenSSL's headers, and the peers that are wanted.
"""
