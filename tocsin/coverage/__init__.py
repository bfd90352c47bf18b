"""Coverage: was everything logged and looked at between two moments?"""
