"""What a price means for the rules of its symbol. Pure: no AWS, no clock, no environment."""
