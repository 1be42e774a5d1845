"""
Moving users here from another server, so that no mail program notices.

Sources of unique-ids are L{dovecot}, L{courier}, L{table} and L{server}, a live POP3
server, whose messages L{matching} finds among ours. L{maildirs} is the Maildir that
they are for, L{importing} writes them. All of it blocks: it is for the command line.
"""
