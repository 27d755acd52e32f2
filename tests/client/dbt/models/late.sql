{{ config(materialized='view', bind=False) }}
select order_id, upper(status) as status from {{ ref('stg_orders') }}
