"""The live shell: sources, the loop, the KEDA scaler, actuators. Everything that touches a clock or a network."""
