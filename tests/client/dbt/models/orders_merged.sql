{{ config(materialized='incremental', incremental_strategy='merge', unique_key='order_id', dist='customer_id',
          on_schema_change='append_new_columns') }}
select * {% if is_incremental() %}, 'second' as run {% endif %} from {{ ref('stg_orders') }}
