//! System tables: log/, live/, view/, pg_catalog/, information_schema/.
