"""The station as a PLC sees it: one contract, and Modbus under it."""
