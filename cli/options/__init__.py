"""Options that several commands share: each is declared once, in a record of its subject.

A record's fields are None where the option was not given. Its ``apply`` puts those that were given into a design, in
which every default stands.
"""
