//! Rows of small inserts that a transaction gathers, and adds to what it changes when there are many or when they must
//! be seen.
//!
//! The first INSERT of constants into a table resolves its name, locks it and finds where its rows go. What that found
//! holds until a statement of another kind comes, so each further one only adds to the rows.

use super::Transaction;
use crate::catalog::User;
use crate::error::Result;
use arrow::array::RecordBatch;
use blueshift_compute::node::Node;
use blueshift_compute::write::{self, WriteTarget};
use blueshift_sql::binder::ConstantRows;
use blueshift_sql::statement::ObjectName;
use blueshift_sql::statement::dml::Insert;
use blueshift_storage::store::Commit;
use blueshift_storage::{TableId, TableLayout};
use datafusion::common::ScalarValue;
use std::sync::Arc;

/// Rows gathered of a table at most: a zone of a row group.
const ROWS_MAX: usize = 1_024;

/// Their bytes at most, about: surely within what rides in the commit record.
const BYTES_MAX: usize = 64 << 10;

/// Tables a transaction gathers rows of at most; it goes on with those of others in the general way.
const TABLES_MAX: usize = 16;

/// The rows gathered of one table.
pub struct Append {
    /// The table as the statements name it.
    pub name: ObjectName,
    /// Who may append to it.
    pub user: Arc<User>,
    /// The node that keeps the rows.
    pub node: Arc<Node>,
    /// Where they go.
    pub target: WriteTarget,
    /// The rows.
    pub rows: ConstantRows,
}

impl Append {
    fn is_of(&self, name: &ObjectName) -> bool {
        let own = &self.name;
        own.name == name.name && own.schema == name.schema && own.database == name.database
    }

    fn is_full(&self) -> bool {
        self.rows.rows() >= ROWS_MAX || self.rows.bytes() >= BYTES_MAX
    }

    fn gather_into(&mut self, own: &mut Commit) -> Result<()> {
        let rows = self.rows.rows();
        if rows == 0 {
            return Ok(());
        }
        let (columns, layout) = (self.rows.finish(), &self.target.layout);
        let fields = layout.columns.iter().zip(&columns);
        let fields = fields.map(|(column, values)| {
            arrow_schema::Field::new(&column.name, values.data_type().clone(), true)
        });
        let schema = arrow_schema::Schema::new(fields.collect::<Vec<_>>());
        let batch = RecordBatch::try_new(Arc::new(schema), columns)
            .map_err(datafusion::error::DataFusionError::from)?;
        let written = write::append(&self.node, &self.target, batch)?;
        own.add_rows(layout, written.row_groups)?;
        // The next rows go to another slice, so that they spread.
        let slices = self.target.slice_count.max(1);
        self.target.first_slice = (self.target.first_slice + 1) % slices;
        Ok(())
    }
}

/// What became of an INSERT.
pub enum Appended {
    /// So many rows were added.
    Rows(usize),
    /// Nothing: the rows before it have to be gathered first.
    Full,
    /// Nothing: the table was not appended to yet.
    New,
    /// Nothing: its rows are not constants as plain as that.
    Other,
}

impl Transaction {
    /// Adds the rows of an INSERT to those gathered of its table.
    pub fn append(
        &mut self,
        user: &Arc<User>,
        insert: &Insert,
        parameters: &[ScalarValue],
    ) -> Appended {
        let Some(append) = self
            .appends
            .iter_mut()
            .find(|append| append.is_of(&insert.table))
        else {
            return Appended::New;
        };
        if !Arc::ptr_eq(&append.user, user) {
            return Appended::Other;
        }
        if append.is_full() {
            return Appended::Full;
        }
        match append.rows.push(insert, parameters) {
            Some(rows) => {
                self.note_change();
                Appended::Rows(rows)
            }
            None => Appended::Other,
        }
    }

    /// Adds the rows of a further INSERT of a block, if nothing else has to be done for it.
    pub fn append_more(
        &mut self,
        user: &Arc<User>,
        insert: &Insert,
        parameters: &[ScalarValue],
    ) -> Option<usize> {
        // Each statement of a serializable transaction looks whether there still is an order.
        if self.is_read_only || self.is_serializable {
            return None;
        }
        match self.append(user, insert, parameters) {
            Appended::Rows(rows) => Some(rows),
            Appended::Full | Appended::New | Appended::Other => None,
        }
    }

    /// Begins to gather rows of a table, which is locked; those given are the first.
    pub fn begin_append(&mut self, append: Append) -> Result<()> {
        if self.appends.len() >= TABLES_MAX {
            self.end_appends()?;
        }
        self.appends.push(append);
        self.note_change();
        Ok(())
    }

    /// Adds the rows gathered to what the transaction changes.
    pub fn gather(&mut self) -> Result<()> {
        for append in &mut self.appends {
            append.gather_into(&mut self.own)?;
        }
        self.effective = None;
        Ok(())
    }

    /// Adds the rows gathered of one table, and gives the table.
    pub fn gather_of(&mut self, name: &ObjectName) -> Result<Option<(TableId, Arc<TableLayout>)>> {
        let mut appends = self.appends.iter_mut();
        let Some(append) = appends.find(|append| append.is_of(name)) else {
            return Ok(None);
        };
        append.gather_into(&mut self.own)?;
        self.effective = None;
        Ok(Some((append.target.table, append.target.layout.clone())))
    }

    /// Adds the rows gathered, and forgets where rows went: a statement may come that changes it.
    pub fn end_appends(&mut self) -> Result<()> {
        if !self.appends.is_empty() {
            self.gather()?;
            self.appends.clear();
        }
        Ok(())
    }
}
