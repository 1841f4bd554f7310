"""What is played: the traffic, the past before it, the hardware it meets, and the policy under test."""
