//! How the columns of an open table format are called in its files: by the id of the field, or by a name that is not that
//! of the column, for columns that were renamed, or dropped and made anew.

use arrow_schema::{DataType, Field, FieldRef, Fields};
use datafusion::parquet::arrow::PARQUET_FIELD_ID_META_KEY;
use std::collections::HashMap;
use std::sync::Arc;

/// Columns by their names in the table. Without any, columns are found by these names.
pub(super) type Calls = Arc<HashMap<String, Called>>;

/// How a column, or a part of one, is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Called {
    /// Its id, which decides in files that have ids.
    pub(super) id: Option<i32>,
    /// Its names in files that have none.
    pub(super) names: Vec<String>,
    /// Its fields by name; one of an array, the element; two of a map, key and value.
    pub(super) parts: Vec<(String, Called)>,
}

/// Gives the id of a field of a file.
pub(super) fn id_of(field: &Field) -> Option<i32> {
    field
        .metadata()
        .get(PARQUET_FIELD_ID_META_KEY)?
        .parse()
        .ok()
}

/// Tells whether the columns of a file have ids.
pub(super) fn has_ids(fields: &Fields) -> bool {
    fields.iter().any(|field| id_of(field).is_some())
}

impl Called {
    /// Finds the column among those of a file.
    pub(super) fn find<'a>(&self, fields: &'a Fields) -> Option<(usize, &'a FieldRef)> {
        let has_ids = has_ids(fields);
        let mut fields = fields.iter().enumerate();
        fields.find(|(_, field)| self.is(field, has_ids))
    }

    fn is(&self, field: &Field, has_ids: bool) -> bool {
        match self.id {
            Some(id) if has_ids => id_of(field) == Some(id),
            _ => self.names.iter().any(|name| name == field.name()),
        }
    }

    /// Gives the type of a column of a file with its fields called as in the table. Fields that the table has no more
    /// have no name.
    pub(super) fn renamed(&self, found: &DataType) -> DataType {
        let part = |place: usize, field: &FieldRef| -> FieldRef {
            let ty = match self.parts.get(place) {
                Some((_, part)) => part.renamed(field.data_type()),
                None => field.data_type().clone(),
            };
            Arc::new(field.as_ref().clone().with_data_type(ty))
        };
        match found {
            DataType::Struct(fields) => {
                let has_ids = has_ids(fields);
                let fields = fields.iter().map(|field| {
                    let known = self.parts.iter().find(|(_, part)| part.is(field, has_ids));
                    let (name, ty) = match known {
                        Some((name, part)) => (name.as_str(), part.renamed(field.data_type())),
                        None => ("", field.data_type().clone()),
                    };
                    Arc::new(field.as_ref().clone().with_name(name).with_data_type(ty))
                });
                DataType::Struct(fields.collect())
            }
            DataType::List(field) => DataType::List(part(0, field)),
            DataType::LargeList(field) => DataType::LargeList(part(0, field)),
            DataType::Map(entries, is_sorted) => {
                let DataType::Struct(fields) = entries.data_type() else {
                    return found.clone();
                };
                let fields = fields.iter().enumerate();
                let fields = fields.map(|(place, field)| part(place, field));
                let ty = DataType::Struct(fields.collect());
                let entries = entries.as_ref().clone().with_data_type(ty);
                DataType::Map(Arc::new(entries), *is_sorted)
            }
            other => other.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, id: Option<i32>, ty: DataType) -> Field {
        let notes = id.map(|id| (PARQUET_FIELD_ID_META_KEY.to_owned(), id.to_string()));
        Field::new(name, ty, true).with_metadata(notes.into_iter().collect())
    }

    fn called(id: i32, names: &[&str]) -> Called {
        Called {
            id: Some(id),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            parts: Vec::new(),
        }
    }

    #[test]
    fn ids_decide_where_there_are_ids() {
        let fields: Fields = vec![
            field("a", Some(2), DataType::Int32),
            field("b", Some(1), DataType::Int32),
        ]
        .into();
        let found = |called: &Called| called.find(&fields).map(|(place, _)| place);
        assert_eq!(found(&called(1, &["a"])), Some(1));
        assert_eq!(found(&called(3, &["a"])), None);
        let bare: Fields = vec![field("a", None, DataType::Int32)].into();
        let found = |called: &Called| called.find(&bare).map(|(place, _)| place);
        assert_eq!(found(&called(7, &["z", "a"])), Some(0));
        assert_eq!(found(&called(7, &["z"])), None);
    }

    #[test]
    fn parts_are_called_as_in_the_table() {
        let inner = vec![
            field("old", Some(5), DataType::Int32),
            field("new", Some(9), DataType::Int32),
        ];
        let found = DataType::Struct(inner.into());
        let column = Called {
            parts: vec![("new".to_owned(), called(5, &[]))],
            ..called(1, &[])
        };
        let DataType::Struct(fields) = column.renamed(&found) else {
            panic!("a struct");
        };
        let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["new", ""]);
    }
}
