"""Who may ask and act: operators, how they log in, and what each role may."""
