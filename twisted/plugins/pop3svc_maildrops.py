"""
The kinds of maildrops that come with pop3svc, for C{--maildrop}.
"""

from pop3svc.lateplugins import LateSourceFactory as Late

maildir = Late("maildir", "pop3svc.maildrops.maildir", "MaildirSourceFactory")
mbox = Late("mbox", "pop3svc.maildrops.mbox", "MboxSourceFactory")
memory = Late("memory", "pop3svc.maildrops.memory", "MemoryMaildropSourceFactory")
