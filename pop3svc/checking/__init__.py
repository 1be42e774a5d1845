"""
C{pop3svc check}: what the service would do, and what is wrong, without starting it.

Nothing is made, written or changed, and nobody is called: no port listens, no server of
others is asked, and a service that runs notices nothing.
"""
