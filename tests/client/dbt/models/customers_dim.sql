{{ config(materialized='table', dist='id', sort=['created', 'id'], sort_type='compound') }}
select c.id, c.name, c.created, count(o.order_id) as orders, coalesce(sum(o.amount), 0)::decimal(14,2) as total
from {{ ref('customers') }} c left join {{ ref('stg_orders') }} o on o.customer_id = c.id
group by 1, 2, 3
