//! Azure Database for MySQL and PostgreSQL, flexible server.
