"""What messages say, for people and for machines."""
