SELECT customer_id FROM traits WHERE newsletter
