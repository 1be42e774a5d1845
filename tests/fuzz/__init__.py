"""
Octets that nobody meant, against everything that reads octets.

    python -m tests.fuzz                the long form, which is C{make fuzz}
    python -m tests.fuzz.replay FILE    what a failure has left behind, once more

A L{campaign.Target} makes cases out of a seed and checks one case; what is wrong
is an exception. L{naive} is a POP3 server of the simplest kind, written from the
RFCs and not from our code: what it answers is what ours must answer. C{docs/fuzzing.rst}
tells more.
"""
