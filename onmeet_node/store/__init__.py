"""What a person keeps: one encrypted SQLCipher database (P3). The one home of SQL."""
