"""
The kinds of maildrops that come with pop3svc, for C{--maildrop}.
"""

from pop3svc.maildrops.maildir import MaildirSourceFactory
from pop3svc.maildrops.mbox import MboxSourceFactory
from pop3svc.maildrops.memory import MemoryMaildropSourceFactory

maildir = MaildirSourceFactory()
mbox = MboxSourceFactory()
memory = MemoryMaildropSourceFactory()
