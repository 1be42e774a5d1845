"""
Transcripts of sessions, switched on at run time for one user, network or session.

A line of a transcript comes from C{C}, the client, or C{S}, the service, or is C{*}, a
remark. What may be secret is never kept: only what L{redaction} knows to be harmless
is shown, and of everything else its size.
"""
