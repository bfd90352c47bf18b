"""What `outlier` is made of: habits of principals as features."""
