{{ config(materialized='materialized_view', dist='status', sort='status', auto_refresh=False) }}
select status, count(*) as orders, sum(amount) as total from {{ ref('orders') }} group by status
