"""The signed ledger: seals, proofs, and holding everything against them."""
