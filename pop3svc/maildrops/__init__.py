"""
Where mail lies: one module a kind of store, each behind
L{pop3svc.interfaces.IMaildropSource}, found by L{pop3svc.maildrops.registry}
through its plugin, and held to L{pop3svc.testing.MaildropContract}. A Maildir is
read in layers: C{paths} finds it, C{locks} locks it, C{files} makes the system
calls, C{names} reads file names, C{survey} says which files are there, C{listing}
numbers and measures them, C{reader} and C{removal} work on single messages.
"""
