"""
What the audit log has of a session, told in words.
"""
