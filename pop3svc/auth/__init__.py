"""
Who may log in. Checkers are Cred's C{ICredentialsChecker}, found by strcred;
L{chain} makes one of the several that C{--auth} named, L{realm} turns the avatar
id that it answers into an opened maildrop. A checker whose work burns the
processor hands it to L{verifier}; how hashes are made is told in L{hashing}, how they
are verified in L{schemes}. L{pop3svc.testing.CheckerContract} holds what each checker owes.
"""
