"""
A POP3 service on Twisted: RFC 1939 and its extensions over Maildirs or any
other store, behind any Cred checker.

The rooms of the house are listed in the table "Where does it go" of
C{CONTRIBUTING.rst}; the way of one command line through them is told in
L{pop3svc.core}.
"""

__version__ = "0.1.0"
