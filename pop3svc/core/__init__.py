"""
The rules of POP3, without a socket, a clock or a file.

A L{session.Session} takes lines and outcomes and gives back effects
(L{effects}), which a driver performs in order. L{pop3svc.protocol} is that
driver on Twisted; a test may be another, and compares lists of effects.

Five effects are waits: a verifier is fetched, a claim is checked, a message or a
listing is sent, the marked messages are removed. Until the driver reports the
outcome it feeds no line, so that at most one wait is open and answers keep their
order, whatever a client pipelines (RFC 2449 section 6.6). The unread lines stay
with the driver and in the kernel: no list of commands exists to grow.

The states::

    AUTHORIZATION --USER--> NAMED --PASS--> CLAIMED --authenticated--> TRANSACTION
       |  ^   |                             ^ ^  |
       |  |   +------------APOP-------------+ |  |
       |  +---------------refused-------------|--+
       +--AUTH--> EXCHANGE --its claim--------+
       ^            |  |  ^
       +-bad answer-+  +--+ LOOKUP, for a verifier of SCRAM

    TRANSACTION --RETR, TOP, LIST, UIDL--> SENDING --transferred--> TRANSACTION
    TRANSACTION --QUIT--> UPDATE --committed--> ENDED

A claim of SCRAM that was good, and one with a token that was not, leads back to
EXCHANGE for one more answer, and then where any other claim leads.

Any state but UPDATE may also end because of a fault of the peer; only QUIT in
TRANSACTION leads to UPDATE (RFC 1939 section 6). Where each command may be
given stands in one table, L{states.COMMANDS}::

    keyword AUTHORIZATION NAMED         TRANSACTION
    USER    yes           yes           -
    PASS    -             yes           -
    APOP    yes           yes           -
    AUTH    yes           yes           -
    STLS    yes           yes           -
    CAPA    yes           yes           yes
    UTF8    yes           yes           yes
    LANG    yes           yes           yes
    QUIT    yes           yes           yes
    STAT    -             -             yes
    LIST    -             -             yes
    UIDL    -             -             yes
    RETR    -             -             yes
    TOP     -             -             yes
    DELE    -             -             yes
    RSET    -             -             yes
    NOOP    -             -             yes
"""
