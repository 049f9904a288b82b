"""How options become a `Config`: kinds of values, rules between keys, Java's `.properties` format.

The table itself is `aioproducer.config`; nothing here knows a single key but the rules.
"""
